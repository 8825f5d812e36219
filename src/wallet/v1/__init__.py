"""The wallet's messages, generated from ``proto/wallet/v1/wallet.proto`` by ``scripts/proto``."""

from wallet.v1.wallet_pb2 import PaymentMoney, ReceiveMoney, Wallet

__all__ = ["PaymentMoney", "ReceiveMoney", "Wallet"]
