"""What the entity layer stores, generated from ``proto/daicho/entity/v1/entity.proto``."""

from daicho.entity.v1.entity_pb2 import EntitySnapshot, Outgoing, Rejection, Settled, Value

__all__ = ["EntitySnapshot", "Outgoing", "Rejection", "Settled", "Value"]
