"""What the promises are worth under kills: a real Airflow, real SIGKILLs, and an account of every clip."""
