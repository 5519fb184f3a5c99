"""Recurrent text classifier in plain PyTorch: frozen word vectors, one layer of tanh cells, the last state, a perceptron with
two hidden layers. All texts have the same length, so nothing need be packed. One step is forward, backward, clipping by norm
and an SGD step on random words."""

import torch
import torch.nn.functional as F

import timing


class Classifier(torch.nn.Module):
    def __init__(self, words, embedding, hidden, mlp):
        super().__init__()
        self.register_buffer("words", torch.randn(words, embedding))
        self.rnn = torch.nn.RNN(embedding, hidden)
        self.mlp = torch.nn.Sequential(torch.nn.Linear(hidden, mlp), torch.nn.Tanh(), torch.nn.Linear(mlp, mlp),
                                       torch.nn.Tanh(), torch.nn.Linear(mlp, 2))

    def forward(self, tokens):
        return self.mlp(self.rnn(F.embedding(tokens, self.words))[1][0])


def main():
    o = timing.arguments(__doc__, words=2000, embedding=300, hidden=2048, mlp=512, batch=64, length=25)
    model = Classifier(o.words, o.embedding, o.hidden, o.mlp)
    parameters = list(model.parameters())
    eta, gamma = 0.03, 0.01
    optimizer = torch.optim.SGD(parameters, lr=eta)

    def step():
        tokens, labels = torch.randint(o.words, (o.length, o.batch)), torch.randint(2, (o.batch,))
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(tokens), labels)
        loss.backward()
        timing.clipped_step(parameters, optimizer, eta, gamma)
        return loss.item()

    timing.time_steps(o, parameters, step)


if __name__ == "__main__":
    main()
