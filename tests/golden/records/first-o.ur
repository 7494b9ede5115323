O: 2 E
X: 4 e
X: 1 d
O: 3 B
