// What the AsyncAPI component uses of @asyncapi/parser: the document models, without the parser
// (which compiles its validators with `eval` and makes up five sixths of the stock bundle).
export * from "@asyncapi/parser/esm/models";
export * from "@asyncapi/parser/esm/document";
export * from "@asyncapi/parser/esm/stringify";
