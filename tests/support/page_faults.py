"""What of a page is hard to use: by the sizes and colours that the browser computes, as WCAG 2.2 measures them."""

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
  for (const e of document.querySelectorAll('button, select, input:not([type=hidden]), .tabs a, .ways a')) {
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
  return faults;
})()"""
"""An expression for the page in front, a list of texts; the list of a good page is empty."""
