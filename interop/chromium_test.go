package interop_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// Chromium's WebSocket, on a page of the server it talks to.
func TestChromium(t *testing.T) {
	node := needNode(t, "playwright-core")
	browser := needProgram(t, "chromium")
	pages := http.FileServer(http.Dir("testdata"))
	for _, handled := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			for _, o := range []*deflate.Options{nil, {}, {ServerContextTakeover: true, ClientContextTakeover: true}} {
				if secure && o == nil || !handled && o != nil && !o.ServerContextTakeover {
					continue
				}
				name := "plain"
				options := websocket.AcceptOptions{}
				if o != nil {
					name = "deflate"
					options.Extensions = []extension.Extension{deflate.New(o)}
					if !o.ServerContextTakeover {
						name = "deflate without takeover"
					}
				}
				t.Run(engine(handled)+name+scheme(secure), func(t *testing.T) {
					t.Parallel()
					s := newServer(t, secure, handled, options, pages)
					runChecks(t, node, "peers/browser.mjs", asJSON(t, map[string]any{
						"browser":   browser,
						"profile":   t.TempDir(),
						"page":      s.URL + "/page.html",
						"elsewhere": strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/page.html",
						"socket":    s.address(),
						"deflate":   o != nil,
						"status":    101,
						"protocol":  "http/1.1",
					}))
					// Chromium calls bad UTF-8 a protocol error.
					s.wantEndings(t, habits{cannotSendBadUTF8: true, badUTF8: websocket.StatusProtocolError})
					if handled {
						s.wantKinds(t)
					}
				})
			}
		}
	}
}
