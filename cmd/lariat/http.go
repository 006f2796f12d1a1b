package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/handshake"
)

// httpFlag is the value of --http: 1, 2 or auto.
type httpFlag websocket.HTTPVersion

// register adds the flag to a command; it has its default already.
func (f *httpFlag) register(c *cobra.Command, text string) {
	c.Flags().Var(f, "http", text)
	_ = c.RegisterFlagCompletionFunc("http", cobra.FixedCompletions([]string{"1", "2", "auto"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *httpFlag) Type() string { return "version" }

func (f *httpFlag) String() string {
	switch v := websocket.HTTPVersion(*f); v {
	case websocket.HTTP1:
		return "1"
	case websocket.HTTP2:
		return "2"
	case websocket.HTTPAuto:
		return "auto"
	default:
		return ""
	}
}

func (f *httpFlag) Set(v string) error {
	switch v {
	case "1", "1.1":
		*f = httpFlag(websocket.HTTP1)
	case "2":
		*f = httpFlag(websocket.HTTP2)
	case "auto":
		*f = httpFlag(websocket.HTTPAuto)
	default:
		return errors.New("it is none of 1, 2 and auto")
	}
	return nil
}

// httpText is what the help of the commands that connect says about --http.
const httpText = `With --http 2 the WebSocket is a stream of an HTTP/2 connection (RFC 8441). With
wss the server has to choose h2 by ALPN, with ws it must be known to speak HTTP/2.
A server that does not, or that takes no WebSockets so, gives exit code 5. --http
auto offers a wss server both, and goes over HTTP/1.1 where HTTP/2 is not possible;
with ws it is HTTP/1.1. Through several proxies, and with --request, --reconnect or
--owner-events, auto is what the server chooses, without a second try.`

// versionName is a major version of HTTP as people write it.
func versionName(major int) string {
	if major == 1 {
		return "HTTP/1.1"
	}
	return fmt.Sprintf("HTTP/%d", major)
}

// configure has srv speak what --http says, over TLS or without it, and returns
// the names of that.
func (f httpFlag) configure(srv *http.Server, secure bool) ([]string, error) {
	one, two := true, true
	switch websocket.HTTPVersion(f) {
	case websocket.HTTP1:
		two = false
	case websocket.HTTP2:
		one = false
	}
	srv.Protocols = new(http.Protocols)
	var names []string
	if one {
		srv.Protocols.SetHTTP1(true)
		names = append(names, versionName(1))
	}
	if two {
		if err := h2.ConfigureServer(srv, nil); err != nil {
			return nil, err
		}
		srv.Protocols.SetHTTP2(secure)
		srv.Protocols.SetUnencryptedHTTP2(!secure)
		names = append(names, versionName(2))
	}
	return names, nil
}

// versionFailure explains why the server cannot be reached over the version of
// HTTP that was wanted, nil when the reason is another. text is what err says.
func versionFailure(text string, err error) *failure {
	const either = "--http auto takes what the server has, --http 1 is HTTP/1.1"
	switch {
	case errors.Is(err, handshake.ErrExtendedConnectDisabled):
		return &failure{
			code: exitRefused, hint: either, err: err,
			msg: "the server speaks HTTP/2, but takes no WebSockets over it: it has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3)",
		}
	case errors.Is(err, websocket.ErrNoHTTP2):
		return &failure{code: exitRefused, msg: strings.ReplaceAll(text, ": websocket: ", ": "), hint: either, err: err}
	case strings.Contains(err.Error(), "speaks HTTP/1 and not HTTP/2"):
		return &failure{code: exitRefused, msg: text, hint: noHTTP2Hint, err: err}
	case strings.Contains(err.Error(), "tls: no application protocol"):
		return &failure{code: exitTLS, msg: text, hint: "the server may speak HTTP/2 only: --http 2 or --http auto", err: err}
	}
	return nil
}

const noHTTP2Hint = "the server may not speak HTTP/2 there; --http 1 is HTTP/1.1"

// versionHint is for an opening handshake that ended without an answer: it may
// be that the server speaks another version of HTTP there.
func versionHint(wanted websocket.HTTPVersion, err error) string {
	var none *websocket.HandshakeError
	if !errors.As(err, &none) || none.Status != 0 {
		return ""
	}
	if wanted == websocket.HTTP2 {
		return noHTTP2Hint
	}
	if text := err.Error(); strings.Contains(text, "EOF") || strings.Contains(text, "reset by peer") {
		return "the server hung up; if it speaks HTTP/2 only, try --http 2"
	}
	return ""
}
