"""AWD-LSTM language model (Merity, Keskar, Socher, ICLR 2018) in plain PyTorch: locked dropouts, dropped words, dropped
recurrent weights, tied embedding, activation regularisation. One step is a draw of all masks, forward, backward, clipping by
norm and an SGD step on random tokens; the state is carried from step to step."""

import torch
import torch.nn.functional as F

import timing


def locked(x, p):
    return x * x.new_empty(1, x.size(1), x.size(2)).bernoulli_(1 - p).div_(1 - p)


class AwdLstm(torch.nn.Module):
    def __init__(self, vocabulary, embedding, hidden, layers):
        super().__init__()
        self.encoder = torch.nn.Embedding(vocabulary, embedding)
        self.encoder.weight.data.uniform_(-0.1, 0.1)
        widths = [embedding] + [hidden] * (layers - 1) + [embedding]
        self.rnns = torch.nn.ModuleList(torch.nn.LSTM(widths[k], widths[k + 1]) for k in range(layers))
        self.decoder_bias = torch.nn.Parameter(torch.zeros(vocabulary))

    def loss(self, tokens, targets, state):
        words = self.encoder.weight
        words = words * words.new_empty(words.size(0), 1).bernoulli_(0.9).div_(0.9)
        x = locked(F.embedding(tokens, words), 0.4)
        carried = []
        for k, rnn in enumerate(self.rnns):
            w_hh = F.dropout(rnn.weight_hh_l0, 0.5)
            raw, h, c = torch._VF.lstm(x, state[k], [rnn.weight_ih_l0, w_hh, rnn.bias_ih_l0, rnn.bias_hh_l0],
                                       True, 1, 0.0, True, False, False)
            carried.append((h.detach(), c.detach()))
            x = locked(raw, 0.25 if k + 1 < len(self.rnns) else 0.4)
        logits = F.linear(x.flatten(0, 1), self.encoder.weight, self.decoder_bias)
        loss = F.cross_entropy(logits, targets) + 2 * x.pow(2).mean() + (raw[1:] - raw[:-1]).pow(2).mean()
        return loss, carried


def main():
    o = timing.arguments(__doc__, vocabulary=10000, embedding=400, hidden=1150, layers=3, length=70, batch=20)
    model = AwdLstm(o.vocabulary, o.embedding, o.hidden, o.layers)
    parameters = list(model.parameters())
    eta, gamma = 30, 7.5
    optimizer = torch.optim.SGD(parameters, lr=eta, weight_decay=1.2e-6)
    state = [(torch.zeros(1, o.batch, rnn.hidden_size),) * 2 for rnn in model.rnns]

    def step():
        nonlocal state
        text = torch.randint(o.vocabulary, (o.length + 1, o.batch))
        optimizer.zero_grad(set_to_none=True)
        loss, state = model.loss(text[:-1], text[1:].flatten(), state)
        loss.backward()
        timing.clipped_step(parameters, optimizer, eta, gamma)
        return loss.item()

    timing.time_steps(o, parameters, step)


if __name__ == "__main__":
    main()
