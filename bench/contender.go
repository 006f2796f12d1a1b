//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lariat-go/websocket/client"
)

// mode is what a server is set up for.
type mode string

const (
	modePlain      mode = "plain"
	modeTLS        mode = "tls"
	modeDeflate    mode = "deflate"     // permessage-deflate, no context takeover
	modeTakeover   mode = "takeover"    // permessage-deflate, context takeover both ways
	modeBroadcast  mode = "broadcast"   // every message goes to all connections
	modeHTTP       mode = "http"        // HTTP/2 or HTTP/1.1, over TLS or not, as the contender's name says
	modeH2C        mode = "h2c"         // the same without TLS
	modeGet        mode = "get"         // ordinary requests over HTTP/2
	modeClient     mode = "client"      // a client that sends what comes back
	modeClientGet  mode = "client-get"  // a client that makes ordinary requests
	modeClientIdle mode = "client-idle" // clients at rest
	modeSleep      mode = "sleep"       // before it answers a message that begins with sleepMark, the handler sleeps for napTime
)

// ofClients says whether m is one of the modes about clients.
func (m mode) ofClients() bool {
	return m == modeClient || m == modeClientGet || m == modeClientIdle
}

// In mode sleep every message's first byte is 0 or sleepMark.
const (
	sleepMark = 1
	napTime   = time.Second
)

// nap does what mode sleep asks of a handler that has message p.
func nap(m mode, p []byte) {
	if m == modeSleep && len(p) > 0 && p[0] == sleepMark {
		time.Sleep(napTime)
	}
}

// contender is one server to be measured. Each is written as the library's own
// documentation would have an experienced user write it: the handler upgrades
// and hands the connection to a goroutine of its own, so that net/http's
// buffers and stack are free; buffers are used again where the API allows it;
// the read limit is off.
type contender struct {
	name  string
	about string
	modes []mode
	serve func(ln net.Listener, m mode) error
	// client, in the rows about clients, begins the work of s and returns what
	// waits for its end.
	client func(s clientSpec) (wait func() error, err error)
	// ownTLS says that serve, in mode tls, does TLS itself and gets a TCP
	// listener.
	ownTLS bool
	// over is what WebSockets run over in the modes about HTTP; in the others
	// that is HTTP/1.1.
	over carrier
	// env is what the server's process has in its environment besides.
	env []string
	// limit says that it is no library, and measured only when asked for by
	// name: how far down one could get.
	limit bool
	// raw says that it echoes bytes and knows no WebSocket.
	raw bool
}

// carrier is what WebSockets run over.
type carrier int

const (
	overTCP carrier = iota // HTTP/1.1
	overTLS                // HTTP/1.1 over TLS
	overH2                 // HTTP/2, over TLS but in mode h2c
)

// secure says whether clients come with TLS.
func (c contender) secure(m mode) bool {
	return m == modeTLS || (m == modeHTTP || m == modeGet) && c.over != overTCP
}

func (c contender) can(m mode) bool { return slices.Contains(c.modes, m) }

// raw is the name of the contender that all ratios refer to.
const raw = "rawtcp"

// listener makes of a TCP listener what the contender serves from.
func (c contender) listener(ln net.Listener, m mode) (net.Listener, error) {
	if c.secure(m) && !c.ownTLS {
		return listenTLS(ln)
	}
	return ln, nil
}

func contenders() []contender {
	plain := []mode{modePlain, modeTLS, modeBroadcast}
	deflating := append(slices.Clone(plain), modeDeflate)
	all := append(slices.Clone(deflating), modeTakeover)
	both := []mode{modeHTTP, modeH2C}
	asClient := []mode{modeClient, modeClientIdle}
	getting := []mode{modeClientGet}
	bothAndGet := []mode{modeHTTP, modeH2C, modeGet}
	xconnect := []string{"GODEBUG=http2xconnect=1"}
	sleeping := func(ms []mode) []mode { return append(slices.Clone(ms), modeSleep) }
	return []contender{
		{name: raw, about: "a goroutine per connection that reads and writes bytes, no WebSocket", modes: append(slices.Clone(plain), modeClient), serve: serveRaw, client: clientRaw, raw: true},
		{name: "rawepoll", about: "one thread, one epoll, system calls, no WebSocket", modes: []mode{modePlain}, serve: serveRawEpoll, raw: true, limit: true},
		{name: "lariat", about: "Append into a buffer used again, Write per message", modes: sleeping(all), serve: serveLariat},
		{name: "lariat-batch", about: "ReadBatch, then WriteBatch of the answers", modes: all, serve: serveLariatBatch},
		{name: "server", about: "this library's package server: Message sends the answer", modes: sleeping(all), serve: serveServer},
		{name: "gobwas*", about: "gobwas/ws headers and cipher, with hand-written gathering and buffers", modes: plain, serve: serveGobwasGather},
		{name: "gobwas", about: "gobwas/ws with wsutil", modes: plain, serve: serveGobwas},
		{name: "gws", about: "lxzan/gws, ReadLoop, parallel off", modes: sleeping(all), serve: serveGWS},
		{name: "gorilla", about: "gorilla/websocket, NextReader into a buffer used again", modes: sleeping(deflating), serve: serveGorilla},
		{name: "coder", about: "coder/websocket, Reader into a buffer used again", modes: sleeping(all), serve: serveCoder},
		{name: "nbio", about: "lesismal/nbio, its own HTTP server, pollers and TLS", modes: sleeping(deflating), serve: serveNBIO, ownTLS: true},
		{name: "server-plain", about: "server in the rows about HTTP: HTTP/1.1", modes: both, serve: serveServer},
		{name: "server-tls", about: "server over TLS, HTTP/1.1", modes: []mode{modeHTTP}, serve: serveServer, over: overTLS},
		{name: "server-h2", about: "server over this library's HTTP/2", modes: both, serve: serveServerH2, over: overH2, ownTLS: true},
		{name: "lariat-plain", about: "lariat in the rows about HTTP: HTTP/1.1", modes: both, serve: serveLariat},
		{name: "lariat-tls", about: "lariat over TLS, HTTP/1.1", modes: []mode{modeHTTP}, serve: serveLariat, over: overTLS},
		{name: "lariat-h2", about: "lariat over this library's HTTP/2; GET: package h2", modes: bothAndGet, serve: serveLariatH2, over: overH2, ownTLS: true},
		{name: netHTTP, about: "lariat over net/http's HTTP/2; GET: net/http", modes: bothAndGet, serve: serveNetHTTP2, over: overH2, ownTLS: true, env: xconnect},
		{name: "nethttp-h2-raw", about: "net/http's HTTP/2, a handler that copies bytes, no WebSocket", modes: both, serve: serveNetHTTP2Raw, over: overH2, ownTLS: true, env: xconnect, raw: true, limit: true},
		{name: "dial", about: "client: Dial, Append into a buffer used again", modes: asClient, client: clientDial},
		{name: "owner", about: "client: package client, one owner for all connections", modes: []mode{modeClient}, client: clientOwner},
		{name: "reconnect", about: "client: package reconnect, callbacks", modes: asClient, client: clientReconnect},
		{name: "gorilla-dial", about: "client: gorilla/websocket", modes: []mode{modeClient}, client: clientGorilla},
		{name: "coder-dial", about: "client: coder/websocket", modes: []mode{modeClient}, client: clientCoder},
		{name: "site", about: "what the clients of GET rows talk to", modes: getting, serve: serveSite, limit: true},
		{name: "client-h1", about: "client: package client, HTTP/1.1", modes: getting, client: clientGet(client.HTTP1)},
		{name: "client-h2", about: "client: package client, HTTP/2", modes: getting, client: clientGet(client.HTTP2)},
		{name: "nethttp-get-h1", about: "client: net/http's Transport, HTTP/1.1", modes: getting, client: nethttpGet(false)},
		{name: "nethttp-get-h2", about: "client: net/http's Transport, HTTP/2", modes: getting, client: nethttpGet(true)},
	}
}

func contenderNames() []string {
	var names []string
	for _, c := range contenders() {
		names = append(names, c.name)
	}
	return names
}

func findContender(name string) (contender, error) {
	for _, c := range contenders() {
		if c.name == name {
			return c, nil
		}
	}
	return contender{}, fmt.Errorf("unknown contender %q: use one of %s", name, strings.Join(contenderNames(), ", "))
}

// serveHTTP serves upgrades on every path.
func serveHTTP(ln net.Listener, h http.HandlerFunc) error {
	s := &http.Server{Handler: h}
	return s.Serve(ln)
}

// serveConns gives every accepted connection a goroutine.
func serveConns(ln net.Listener, f func(net.Conn)) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go f(c)
	}
}

// hub is the list of a broadcast server's connections. None ever leaves it: the
// process ends with the measurement.
type hub[C any] struct {
	mu    sync.Mutex
	conns []C
}

func (h *hub[C]) add(c C) {
	h.mu.Lock()
	h.conns = append(h.conns, c)
	h.mu.Unlock()
}

func (h *hub[C]) each(f func(C) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

// selfSigned returns a self-signed P-256 certificate made in memory.
func selfSigned() ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "bench"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	return der, key, err
}

func listenTLS(ln net.Listener) (net.Listener, error) {
	der, key, err := selfSigned()
	if err != nil {
		return nil, err
	}
	return tls.NewListener(ln, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1"},
	}), nil
}
