"""``uvicorn main:app``: the shop, with its database and token of its hook out of the environment."""

from __future__ import annotations

import os

from app import application

app = application(
    os.environ.get("DATABASE_URL", "sqlite:///shop.db"), push_token=os.environ.get("PUSH_TOKEN")
)
