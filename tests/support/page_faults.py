"""What of a page is hard to use, as WCAG 2.2 has it: by what the browser computes of it, and by what axe-core says.

axe-core is https://github.com/dequelabs/axe-core, from npm. What it cannot see is measured here: edges of controls,
what is at hand to password managers, and how a page tells that something is wrong.
"""

from __future__ import annotations

import json

from tests.support.chromium import Chromium
from tests.support.node import Node, NodeMissing

LOOKS = [(1200, "light"), (320, "dark"), (1200, "dark"), (320, "light")]
"""How wide a page is shown, and in which scheme of colours."""
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_EXPERIMENTS = ["label-content-name-mismatch", "td-has-header"]
_ALL = {"preload": False, "runOnly": _TAGS, "rules": {rule: {"enabled": True} for rule in _EXPERIMENTS}}
_CHANGING = ["color-contrast", "label-content-name-mismatch", "scrollable-region-focusable", "target-size"]
_OF_A_LOOK = {"preload": False, "runOnly": {"type": "rule", "values": _CHANGING}}
# What is there for the eye alone is no text to axe-core, and hides nothing.
_RUN = """axe.run(document, %s).then(({violations, incomplete}) =>
  [...violations, ...incomplete].flatMap(rule => rule.nodes.map(node =>
    [rule.id, node.target, ...[...node.any, ...node.all, ...node.none].map(check => check.message)].join(': ')))
  .filter(fault => !fault.endsWith('Element content contains only non-text characters')))"""

FAULTS = """(() => {
  const faults = [];
  const shown = e => e.getClientRects().length && getComputedStyle(e).visibility !== 'hidden';
  if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the screen');
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  if (!document.title.trim() || !document.documentElement.lang) faults.push('no title or language');
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const colour = text => text.match(/[0-9.]+/g).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const [r, g, b, a] = colour(getComputedStyle(e).backgroundColor);
      if (a === undefined || a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || !shown(e) || ['STYLE', 'SCRIPT', 'NOSCRIPT', 'OPTION'].includes(e.tagName)) continue;
    const [a, b] = [luminance(colour(getComputedStyle(e).color).slice(0, 3)), luminance(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${node.data.trim()}`);
  }
  const targets = 'button, select, summary, input:not([type=hidden]), .button, nav a, .ways a';
  for (const e of document.querySelectorAll(targets)) {
    if (!shown(e)) continue;
    if (e.getBoundingClientRect().height < 24) faults.push(`too small: ${e.outerHTML.slice(0, 80)}`);
    if (e.matches('input, select') && !e.labels.length) faults.push(`no label: ${e.outerHTML.slice(0, 80)}`);
    if (e.matches('input[type=text], input[type=email], input[type=password]') && !e.getAttribute('autocomplete'))
      faults.push(`nothing for a password manager: ${e.outerHTML.slice(0, 80)}`);
  }
  for (const e of document.querySelectorAll('button:not(.link), a.button, select, input:not([type=hidden])')) {
    if (!shown(e) || ['checkbox', 'radio'].includes(e.type)) continue;
    const border = colour(getComputedStyle(e).borderTopColor).slice(0, 3);
    const [a, b] = [luminance(border), luminance(ground(e.parentElement))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 3) faults.push(`border ${contrast.toFixed(2)}: ${e.outerHTML.slice(0, 80)}`);
  }
  for (const name of ['aria-describedby', 'aria-labelledby'])
    for (const e of document.querySelectorAll(`[${name}]`))
      for (const id of e.getAttribute(name).split(' '))
        if (!document.getElementById(id)) faults.push(`nothing called ${id}`);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) faults.push('an id that comes twice');
  const wrong = [...document.querySelectorAll('#problem, [aria-invalid]')].filter(shown);
  if (wrong.length) {
    if (!/^(Error|Fehler|Erreur)/.test(document.title)) faults.push(`a title that says of no error: ${document.title}`);
    const first = [...document.querySelectorAll('[autofocus]')].find(shown);
    if (!wrong.includes(first)) faults.push('the focus is not where the error is');
    for (const e of wrong)
      if (e.matches('[aria-invalid]:not([aria-describedby])')) faults.push(`wrong for no reason: ${e.outerHTML}`);
  }
  return faults;
})()"""
"""What is measured here, in any browser: a script that comes to a list, which is empty for a good page."""


class Judge:
    """Tells what is hard to use; of a good page there is nothing to tell."""

    def __init__(self, node: Node) -> None:
        source = node.modules / "axe-core" / "axe.min.js"
        if not source.is_file():
            raise NodeMissing(f"no axe-core in {node.modules}: run `nox -s node`")
        self._axe = source.read_text()

    def faults(self, browser: Chromium, *, looks_else: bool = False) -> list[str]:
        """Judge the page in front as it is shown now.

        The policy of the page stands, and lets no script of a test in. DevTools are not bound by it, and the page is
        as people have it.

        Args:
            looks_else: the page was judged before, and only looks another way now, or speaks another language.
        """
        found: list[str] = browser.evaluate(FAULTS)
        if browser.evaluate("typeof axe") == "undefined":
            browser.evaluate(f"{self._axe};0")
        return [*found, *browser.evaluate(_RUN % json.dumps(_OF_A_LOOK if looks_else else _ALL))]

    def faults_in_all_looks(self, browser: Chromium) -> list[str]:
        """Judge the page in front in all of LOOKS."""
        faults = []
        for number, (width, scheme) in enumerate(LOOKS):
            browser.show_as(width, scheme)
            faults += [f"{width}, {scheme}: {fault}" for fault in self.faults(browser, looks_else=number > 0)]
        return faults
