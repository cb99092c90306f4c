"""Why do networks with dropout differ from the paper's on CIFAR-10 before pruning (pruned-modular, table A.13)?

A question of the chapter ``topology-shuffles``, whose page shows the table.
"""
