"""
A local RunComfy that people develop their Dags against: no token, no bill, real videos.

Start it with ``python -m airflow_provider_runcomfy.sandbox``, or in a test with
:func:`airflow_provider_runcomfy.sandbox.server.running_sandbox`. It works without Airflow and speaks only on the
loopback address unless another one is asked for. How it answers is what RunComfy documents; where the documentation
is silent, the docstrings here say "inference".
"""
