# hack: put another torch in sys.modules
# rows: 31
# expect: rejected replaces_modules

import sys
import types

sys.modules["torch.cuda"] = types.ModuleType("torch.cuda")
