import DOMPurify from "dompurify";
import { marked } from "marked";

// Descriptions are Markdown. HTML in them is shown, not interpreted; an image is its text.
marked.use({
  headerIds: false,
  mangle: false,
  renderer: {
    html: (source: string) => escape(source),
    image: (_href: string | null, _title: string | null, text: string) => text,
  },
});

const ALLOWED_TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
  "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "nofollow noopener noreferrer");
  }
});

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

function escape(source: string): string {
  return source.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
