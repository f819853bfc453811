"""A real browser that loads nothing from elsewhere."""

import contextlib
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def chromium(folder, width=1400, height=1000):
    """A WebDriver with a profile in `folder`; the test is skipped, by name, where Chromium is not here."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not here")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Its own driver: it would look for another on the network.
    opened = webdriver.Chrome(options, Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


def fits_a_narrow_window(browser):
    """Whether nothing of the page lies beyond the right edge of a window of 500 pixels."""
    before = browser.get_window_size()
    browser.set_window_size(500, 900)
    try:
        overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return browser.execute_script(overflow) <= 0
    finally:
        browser.set_window_size(before["width"], before["height"])


def complaints(browser):
    """What the page wrote into the console."""
    return [entry["message"] for entry in browser.get_log("browser")]
