"""A Django project around the recipes of the page: what stands there is put into its app, and then called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.joining.kinds import django_database

_SETTINGS = """
DATABASES = {{"default": {database!r}}}
INSTALLED_APPS = ["shop"]
EVENTS = {url!r}
USE_TZ = True
"""

_MODELS = """
from django.db import models


class Order(models.Model):
    number = models.IntegerField(primary_key=True)
    article = models.TextField()

    class Meta:
        db_table = "orders"


class Stock(models.Model):
    article = models.TextField(primary_key=True)
    on_hand = models.IntegerField()

    class Meta:
        db_table = "stock"
"""

_CALLS = """
import asyncio
import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from django.db import IntegrityError
from django.test import RequestFactory
from shop.orders import place_order
from shop.views import order


def at_once(number):
    place_order(number, "lamp")


def through_the_view(number):
    assert asyncio.run(order(RequestFactory().post("/"), number)).status_code == 201


for number, place in ((7, at_once), (8, through_the_view), (9, at_once), (10, through_the_view)):
    try:
        place(number)
        print("placed", number)
    except IntegrityError:
        print("sold out", number)
"""


def run_in_django(folder: Path, url: str, **modules: str) -> str:
    """What the calls print: orders 7 and 9 from a function, 8 and 10 through an async view."""
    (folder / "settings.py").write_text(_SETTINGS.format(database=django_database(url), url=url), "utf-8")
    (folder / "calls.py").write_text(_CALLS, "utf-8")
    (folder / "shop").mkdir()
    for name, code in {"__init__": "", "models": _MODELS, **modules}.items():
        (folder / "shop" / f"{name}.py").write_text(code, "utf-8")
    ran = subprocess.run([sys.executable, "calls.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.stdout
