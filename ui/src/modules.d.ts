declare module "marked" {
  export const marked: {
    use(options: {
      headerIds: boolean;
      mangle: boolean;
      renderer: {
        html(source: string): string;
        image(href: string | null, title: string | null, text: string): string;
      };
    }): void;
  };
}

declare module "*.css";
