"""What runs inside a program under test: it says what happens there, and makes imports go wrong.

The folder is put, as it is, before a program in any interpreter, also in one where spinbed is not
installed. So it imports nothing but the standard library, only its own modules by relative imports,
and as little as it can: what is imported here, a program's own start-up no longer imports.
"""
