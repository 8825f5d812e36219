"""What the courier stores, generated from ``proto/daicho/process/v1/process.proto``."""

from daicho.process.v1.process_pb2 import Checkpoint, Following, Pending, Unreacted

__all__ = ["Checkpoint", "Following", "Pending", "Unreacted"]
