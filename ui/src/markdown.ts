import DOMPurify from "dompurify";
import { marked } from "marked";

// Descriptions are Markdown. HTML in them is shown, not interpreted; an image is its text; a heading
// is a line in bold, since the headings of the page are those of the document.
marked.use({
  headerIds: false,
  mangle: false,
  renderer: {
    heading: (text: string) => `<p><strong>${text}</strong></p>`,
    html: (source: string) => escape(source),
    image: (_href: string | null, _title: string | null, text: string) => text,
  },
});

const ALLOWED_TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "span", "strong",
  "table", "tbody", "td", "th", "thead", "tr", "ul",
];

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "nofollow noopener noreferrer");
  }
  // It scrolls sideways, so the keyboard has to get there.
  if (node.tagName === "PRE") node.setAttribute("tabindex", "0");
});

/** Stands in for the function of that name of the component. */
export function renderMarkdown(source: string): string {
  return marked(source);
}

/** Stands in for isomorphic-dompurify, which the component's Markdown calls. */
export function sanitize(html: string): string {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
    ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:|#)/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

/** Stands in for highlight.js, which the component names in its exports. */
export const hljs = {};

function escape(source: string): string {
  return source.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
