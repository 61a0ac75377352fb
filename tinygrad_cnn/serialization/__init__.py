"""Save and load: state dicts and checkpoints in PyTorch's format, as `.npz` or as `.safetensors`.

No file can run code: PyTorch's, which are pickles, are read by a small machine that knows only tensors,
numbers, strings, and dicts, lists and tuples of them.  They go over between both libraries:

    torch.save(model.state_dict(), "model.pt")          model.load_state_dict(tg.load("model.pt"))
    tg.save(model.state_dict(), "model.pt")             model.load_state_dict(torch.load("model.pt"))

A flat dict of arrays as .npz or .safetensors is an ordinary file of its format, too: `numpy.load` and the
safetensors library read it, and theirs load here.  Anything nested, such as `{"model": ..., "optimizer": ...,
"epoch": 3}`, is stored there as the same arrays plus a *skeleton*: the tree in JSON, in which
`{"tensor": name}` stands for an array.

    skeleton = null | true | false | integer | number | string | [skeleton, ...]
             | {"float": "nan" | "inf" | "-inf"} | {"tuple": [skeleton, ...]} | {"tensor": name}
             | {"dict": {string: skeleton, ...}} | {"items": [[key, skeleton], ...]}  (keys not all strings)

A file is replaced only by a complete new one (`files.atomic_write`), and every number in a file is
checked before it is used.
"""

from .formats import load, save

__all__ = ["load", "save"]
