/* Functions that return True, False and None as any function does, by the macros of Python.h.
 *
 * Whether that gives the caller a reference of its own, the headers decide. Those of CPython 3.12
 * and 3.13 (until gh-134989 was fixed in them) take the constants for immortal, although the
 * limited API that is asked for is that of 3.11, where they are counted: each call then takes a
 * reference away that it never gave, until the interpreter ends with "bool_dealloc".
 *
 * Py_Version is not used, so that 3.9 and 3.10 load it too: nothing stops them.
 */
#include <Python.h>

static PyObject *say_true(PyObject *module, PyObject *unused)
{
    Py_RETURN_TRUE;
}

static PyObject *say_false(PyObject *module, PyObject *unused)
{
    Py_RETURN_FALSE;
}

static PyObject *say_none(PyObject *module, PyObject *unused)
{
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"say_true", say_true, METH_NOARGS, "True."},
    {"say_false", say_false, METH_NOARGS, "False."},
    {"say_none", say_none, METH_NOARGS, "None."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "constants", "Constants, returned.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_constants(void)
{
    return PyModuleDef_Init(&definition);
}
