# jheled's form
X: 4 e
X: 4 d
X: 4 4
O: 0
X: 3 8
