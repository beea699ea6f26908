"""A double of AWS for tests of fleets: moto's server behind a shim for what moto lacks.

`app.Double` is the WSGI application, `control.Control` drives it from another process, and
`python -m tests.fleet.double` serves it. Services that another module doubles are added to
`app.EXTENSIONS`.
"""
