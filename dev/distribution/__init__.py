"""What is published: wheel and sdist, built reproducibly, looked into, and installed as strangers do."""
