// Search runs in a worker. A page that was opened from a disk may start none: there it runs in a frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      const loaded = new Promise((done) => frame.addEventListener("load", done));
      frame.hidden = true;
      frame.srcdoc = `<script>
        const toWindow = window.postMessage.bind(window);
        window.postMessage = (data) => parent.dispatchEvent(new MessageEvent("from-worker", { data }));
        window.importScripts = (...urls) => Promise.all(urls.map((url) => new Promise((done) => {
          const script = document.createElement("script");
          script.addEventListener("load", done);
          script.src = url;
          document.head.append(script);
        })));
      </script><script src="${new URL(url, document.baseURI)}"></script>`;
      // As from a worker, a message is a copy, and comes when the sender has gone on.
      window.addEventListener("from-worker", (message) => setTimeout(() => {
        const event = new MessageEvent("message", { data: structuredClone(message.data) });
        this.dispatchEvent(event);
        this.onmessage?.(event);
      }));
      this.postMessage = (message) => {
        const data = structuredClone(message);
        loaded.then(() => frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
      };
      this.terminate = () => frame.remove();
      document.body.append(frame);
    }
  };
}
