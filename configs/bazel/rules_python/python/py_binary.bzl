py_binary = native.py_binary
