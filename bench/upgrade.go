//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strings"
)

// The key of RFC 6455, section 1.3, and its accept value: the generator needs
// no other.
const (
	upgradeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	upgradeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgradeRequest is the opening handshake as a browser sends it from a page of
// the same origin.
func upgradeRequest(host string, m mode, tls bool) []byte {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: %s://%s\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\nAccept-Language: en\r\nCache-Control: no-cache\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", host, scheme, host, upgradeKey)
	if extensions := offer(m); extensions != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", extensions)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// offer is the extension header of a mode.
func offer(m mode) string {
	switch m {
	case modeDeflate:
		return "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	case modeTakeover:
		return "permessage-deflate"
	}
	return ""
}

// agreed is what a server answered.
type agreed struct {
	deflate, serverTakeover, clientTakeover bool
}

// checkUpgrade reads a server's answer, which ends in an empty line.
func checkUpgrade(head []byte, m mode) (agreed, error) {
	var a agreed
	text := string(head)
	if !strings.HasPrefix(text, "HTTP/1.1 101 ") {
		return a, fmt.Errorf("the server refused: %.80q", text)
	}
	if !strings.Contains(text, upgradeAccept) {
		return a, fmt.Errorf("the answer has a wrong accept value: %.200q", text)
	}
	for line := range strings.SplitSeq(strings.ToLower(text), "\r\n") {
		v, ok := strings.CutPrefix(line, "sec-websocket-extensions:")
		if !ok || !strings.Contains(v, "permessage-deflate") {
			continue
		}
		a = agreed{
			deflate:        true,
			serverTakeover: !strings.Contains(v, "server_no_context_takeover"),
			clientTakeover: !strings.Contains(v, "client_no_context_takeover"),
		}
	}
	switch {
	case m == modeDeflate && (!a.deflate || a.serverTakeover || a.clientTakeover),
		m == modeTakeover && (!a.deflate || !a.serverTakeover || !a.clientTakeover):
		return a, fmt.Errorf("refused: the server agreed to %+v in mode %s", a, m)
	}
	return a, nil
}
