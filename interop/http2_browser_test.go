package interop_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// Chromium over HTTP/2: the page and all its WebSockets on one connection, opened
// by extended CONNECT, which the browser tells by the status 200. S2.8 S2.11 C3
func TestChromiumHTTP2(t *testing.T) {
	node := needNode(t, "playwright-core")
	browser := needProgram(t, "chromium")
	pages := http.FileServer(http.Dir("testdata"))
	for _, handled := range []bool{false, true} {
		for _, compressed := range []bool{false, true} {
			if handled != compressed {
				continue
			}
			name, options := "plain", websocket.AcceptOptions{}
			if compressed {
				name, options = "deflate", takeover()
			}
			t.Run(engine(handled)+name, func(t *testing.T) {
				t.Parallel()
				s := newHTTP2Server(t, true, handled, options, pages)
				runChecks(t, node, "peers/browser.mjs", asJSON(t, map[string]any{
					"browser":   browser,
					"profile":   t.TempDir(),
					"page":      s.URL + "/page.html",
					"elsewhere": strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/page.html",
					"socket":    s.address(),
					"deflate":   compressed,
					"status":    200,
					"protocol":  "h2",
				}))
				// It resets a stream that brings bad UTF-8.
				s.wantEndings(t, habits{cannotSendBadUTF8: true, badUTF8: websocket.StatusAbnormalClosure})
				if handled {
					s.wantKinds(t)
				}
				s.wantOneSession(t, 100)
			})
		}
	}
}
