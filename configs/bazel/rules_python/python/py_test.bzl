py_test = native.py_test
