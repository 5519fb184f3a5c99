"""What compare.py measures: for each case its recipe, its peer, their shapes (full, and tiny for --smoke), where each is
placed, and the numbers that tacet means to reach. Nothing is run here."""

import dataclasses

import flops


@dataclasses.dataclass
class Case:
    name: str
    recipe: str                 # in recipes/
    peer: str                   # in peers/
    shape: dict                 # the peer's options
    tiny: dict                  # those that --smoke replaces
    workers: int                # of tacet, with `threads` each
    threads: int
    placements: list            # of the peer: (processes, threads, more options)
    keys: dict                  # recipe keys, from the peer's options
    operations: object = None   # flops.py's function, of the peer's options that it takes
    dtype: str = "f32"
    ratio: float = 0            # least ratio to reach
    share: float = 0            # least share of the f32 peak to reach
    whole_run: bool = False     # the time is that of a run, not of a step


AWD = dict(recipe="awd-lstm", peer="awd_lstm", workers=2, threads=1, placements=[(1, 1, {}), (1, 2, {}), (2, 1, {})],
           tiny=dict(vocabulary=50, embedding=8, hidden=12, length=5, batch=2), operations=flops.awd_lstm,
           keys={"data.batch_size": "batch", "data.bptt": "length", "model.embedding": "embedding", "model.hidden": "hidden",
                 "model.layers": "layers"})
RESNET = dict(recipe="resnet-56", peer="resnet56", shape=dict(depth=56, width=16, batch=64),
              tiny=dict(depth=20, width=4, batch=2), operations=flops.resnet56,
              keys={"data.batch_size": "batch", "model.width": "width"})
CHANNELS_LAST = {"channels_last": 1}  # the ratio to reach is to the default layout; what a careful user gets is given too


def awd(batch, **more):
    return Case(shape=dict(vocabulary=10000, embedding=400, hidden=1150, layers=3, length=70, batch=batch), **AWD, **more)


CASES = [
    awd(3, name="awd-lstm-3", ratio=6, share=0.40),
    awd(3, name="awd-lstm-3-bf16", ratio=9, dtype="bf16"),
    awd(20, name="awd-lstm-20", ratio=1.8, share=0.65),
    awd(20, name="awd-lstm-20-bf16", ratio=3, dtype="bf16"),
    Case(name="resnet-56-threads", workers=1, threads=2, ratio=1.6, share=0.76, placements=[(1, 1, {}), (1, 2, {})], **RESNET),
    Case(name="resnet-56-workers", workers=2, threads=1, ratio=1.25, share=0.76, placements=[(2, 1, {})], **RESNET),
    Case(name="resnet-56-threads-channels-last", workers=1, threads=2,
         placements=[(1, 1, CHANNELS_LAST), (1, 2, CHANNELS_LAST)], **RESNET),
    Case(name="resnet-56-workers-channels-last", workers=2, threads=1, placements=[(2, 1, CHANNELS_LAST)], **RESNET),
    Case(name="rnn-classifier", recipe="rnn-classifier", peer="rnn_classifier", workers=2, threads=1, ratio=1.8, share=0.60,
         placements=[(2, 1, {})], operations=flops.rnn_classifier,
         shape=dict(words=2000, embedding=300, hidden=2048, mlp=512, batch=64, length=25),
         tiny=dict(words=50, embedding=8, hidden=16, mlp=4, batch=2, length=5),
         keys={"data.batch_size": "batch", "model.hidden": "hidden", "model.embedding": "embedding", "model.mlp_hidden": "mlp"}),
    Case(name="logistic-1000-clients", recipe="logistic-many-clients", peer="logistic_many_clients", workers=2, threads=1,
         ratio=4, placements=[(1, 1, {}), (1, 2, {})], whole_run=True,
         shape=dict(clients=1000, participating=10, batch=10, rounds=100, eval_every=10),
         tiny=dict(clients=20, rounds=3),
         keys={"clients.count": "clients", "clients.participating": "participating", "data.batch_size": "batch"}),
]
