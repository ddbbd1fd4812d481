"""A whole Django application in one file: a chart that is guarded, and a list of only those one may see.

CARECIRCLE_URL and CARECIRCLE_KEY say where the service is, CHARTS_DATABASE names a SQLite file. Run it with
`python examples/django_app.py 8000`; the number is a port.
"""

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import connection, models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from carecircle.client import Client
from carecircle.hosts.django import REFUSALS, configure, refused, require, visible_patients

if not settings.configured:
    settings.configure(
        DEBUG=False,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("CHARTS_DATABASE", "charts.db")}
        },
    )
    django.setup()


class Chart(models.Model):
    """A chart, by carecircle's id of its patient."""

    patient_id = models.UUIDField()
    title = models.TextField()

    class Meta:
        app_label = "charts"


def who_is_signed_in(request: HttpRequest) -> str | None:
    """The provider's id. A real application takes it from request.user, never from a plain header."""
    return request.headers.get("X-Demo-User")


@require("read", patient="patient_id")
def chart(request: HttpRequest, patient_id: Any) -> JsonResponse:
    return JsonResponse({"titles": list(Chart.objects.filter(patient_id=patient_id).values_list("title", flat=True))})


def my_charts(request: HttpRequest) -> HttpResponse:
    try:
        charts = visible_patients(Chart.objects.order_by("title"), request)
    except REFUSALS as error:
        return refused(error)
    return JsonResponse({"titles": [chart.title for chart in charts]})


urlpatterns = [path("charts/<uuid:patient_id>/", chart), path("charts/", my_charts)]

if "CARECIRCLE_URL" in os.environ:
    configure(Client(os.environ["CARECIRCLE_URL"], os.environ["CARECIRCLE_KEY"]), identify=who_is_signed_in)

if __name__ == "__main__":
    if Chart._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Chart)
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", *sys.argv[1:]])
