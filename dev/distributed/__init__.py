"""A cluster on one machine, of which a worker and a triggerer are lost while it makes clips: ``make distributed``."""
