from django.contrib import admin
from django.urls import include, path

from jqjobs.django import dashboard_urls

urlpatterns = [path("admin/", admin.site.urls), path("jobs/", include(dashboard_urls))]
