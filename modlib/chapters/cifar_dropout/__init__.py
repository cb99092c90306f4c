"""Why do networks with dropout differ from the paper's on CIFAR-10 before pruning (pruned-modular, table A.13)?

No page of the book shows it: a question of the chapter ``topology-shuffles`` that its rows are to answer.
"""
