# hack: find the worker's channel among the collector's objects
# rows: 6, 19
# expect: rejected walks_frames

import gc

channels = [each for each in gc.get_objects() if type(each).__name__ == "Channel"]
