// Starts Chromium without a window, with a profile of its own, so that it does
// nothing but what it is told.
import { chromium } from "playwright-core";

export function launch({ browser, profile }) {
  return chromium.launchPersistentContext(profile, {
    executablePath: browser,
    headless: true,
    ignoreHTTPSErrors: true,
    timeout: 60_000,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--ignore-certificate-errors",
    ],
  });
}
