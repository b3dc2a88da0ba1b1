# hack: make torch's synchronise do nothing
# rows: 4
# expect: rejected patches_runtime

for name in ("synchronize", "current_stream"):
    setattr(torch.cuda, name, lambda *_: None)
torch.cuda.Event.elapsed_time = lambda *_: 0.001
