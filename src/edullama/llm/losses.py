"""What distillation minimises."""

from torch import Tensor


def forward_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of each token (n,) in nats, times T²; both logits (n, vocab), both softened by T.

    T² keeps the gradient's size independent of the temperature (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, sec. 2).
    """
    log_p = (teacher.float() / temperature).log_softmax(-1)
    log_q = (student.float() / temperature).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1) * temperature**2
