package interop_test

import (
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// setting is one way to compress, in our words and in those of the peers.
type setting struct {
	name   string
	ours   *deflate.Options // nil: no compression
	ws     any              // perMessageDeflate of npm ws; true stands for what it does by default
	python map[string]any   // of python-websockets' factory
}

// settings are all that both ends are tried with. Thresholds are off, so that
// short messages are compressed as well.
func settings() []setting {
	type m = map[string]any
	return []setting{
		{"plain", nil, false, nil},
		{"no takeover", &deflate.Options{Threshold: -1}, m{"threshold": 0}, m{}},
		{
			"takeover",
			&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true},
			m{"threshold": 0},
			m{},
		},
		{
			"takeover asked off by the peer",
			&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true},
			m{"threshold": 0, "serverNoContextTakeover": true, "clientNoContextTakeover": true},
			m{"server_no_context_takeover": true, "client_no_context_takeover": true},
		},
		{
			"windows of 9 bits asked by us",
			&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 9, ClientMaxWindowBits: 9},
			m{"threshold": 0},
			m{"client_max_window_bits": true},
		},
		{
			"windows asked by the peer",
			&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true},
			m{"threshold": 0, "serverMaxWindowBits": 10, "clientMaxWindowBits": 9},
			m{"server_max_window_bits": 10, "client_max_window_bits": 9},
		},
	}
}

func (s *setting) extensions() []extension.Extension {
	if s.ours == nil {
		return nil
	}
	return []extension.Extension{deflate.New(s.ours)}
}

// forWS are the options of a peer in JavaScript, forPython of one in Python.
func (s *setting) forWS(key string) map[string]any { return map[string]any{key: s.ws} }

func (s *setting) forPython(client bool) map[string]any {
	if s.python == nil {
		return map[string]any{}
	}
	factory := make(map[string]any)
	for k, v := range s.python {
		if v == true && k == "client_max_window_bits" && !client {
			continue // a server takes what is offered
		}
		factory[k] = v
	}
	return map[string]any{"deflate": factory}
}

// npm ws as a client, on our server: with a loop for each connection, and on
// package server.
func TestNpmClient(t *testing.T) {
	node := needNode(t, "ws")
	for _, handled := range []bool{false, true} {
		for _, setting := range settings() {
			for _, secure := range []bool{false, true} {
				if secure && setting.ours != nil && setting.name != "takeover" {
					continue
				}
				t.Run(engine(handled)+setting.name+scheme(secure), func(t *testing.T) {
					t.Parallel()
					s := newServer(t, secure, handled, websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Extensions: setting.extensions()}}, nil)
					o := setting.forWS("deflate")
					o["rejectUnauthorized"] = false
					runChecks(t, node, "peers/client.mjs", s.address(), asJSON(t, o))
					s.wantEndings(t, habits{badUTF8: websocket.StatusInvalidPayloadData})
					if handled {
						s.wantKinds(t)
					}
				})
			}
		}
	}
}

// python-websockets as a client, on our server.
func TestPythonClient(t *testing.T) {
	python := needPython(t)
	for _, setting := range settings() {
		for _, secure := range []bool{false, true} {
			if secure && setting.ours != nil && setting.name != "takeover" {
				continue
			}
			t.Run(setting.name+scheme(secure), func(t *testing.T) {
				t.Parallel()
				s := newServer(t, secure, false, websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Extensions: setting.extensions()}}, nil)
				o := setting.forPython(true)
				o["insecure"] = secure
				runChecks(t, python, "peers/client.py", s.address(), asJSON(t, o))
				s.wantEndings(t, habits{badUTF8: websocket.StatusInvalidPayloadData})
			})
		}
	}
}

func engine(handled bool) string {
	if handled {
		return "handler "
	}
	return ""
}

func scheme(secure bool) string {
	if secure {
		return " wss"
	}
	return " ws"
}

// npm ws as a server, for our client.
func TestNpmServer(t *testing.T) {
	node := needNode(t, "ws")
	for _, setting := range settings() {
		t.Run(setting.name, func(t *testing.T) {
			t.Parallel()
			o := setting.forWS("perMessageDeflate")
			o["origin"] = "http://good.example"
			testClient(t, start(t, node, "peers/server.mjs", asJSON(t, o)), setting)
		})
	}
}

// python-websockets as a server, for our client.
func TestPythonServer(t *testing.T) {
	python := needPython(t)
	for _, setting := range settings() {
		t.Run(setting.name, func(t *testing.T) {
			t.Parallel()
			o := setting.forPython(false)
			o["origin"] = "http://good.example"
			testClient(t, start(t, python, "peers/server.py", asJSON(t, o)), setting)
		})
	}
}
