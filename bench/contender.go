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
)

// mode is what a server is set up for.
type mode string

const (
	modePlain     mode = "plain"
	modeTLS       mode = "tls"
	modeDeflate   mode = "deflate"   // permessage-deflate, no context takeover
	modeTakeover  mode = "takeover"  // permessage-deflate, context takeover both ways
	modeBroadcast mode = "broadcast" // every message goes to all connections
)

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
}

func (c contender) can(m mode) bool { return slices.Contains(c.modes, m) }

// raw is the name of the contender that all ratios refer to.
const raw = "rawtcp"

func contenders() []contender {
	all := []mode{modePlain, modeTLS, modeDeflate, modeTakeover, modeBroadcast}
	uncompressed := []mode{modePlain, modeTLS, modeBroadcast}
	return []contender{
		{raw, "a goroutine per connection that reads and writes bytes, no WebSocket", uncompressed, serveRaw},
		{"lariat", "Append into a buffer used again, Write per message", all, serveLariat},
		{"lariat-batch", "ReadBatch, then WriteBatch of the answers", all, serveLariatBatch},
		{"gobwas*", "gobwas/ws headers and cipher, with hand-written gathering and buffers", uncompressed, serveGobwasGather},
		{"gobwas", "gobwas/ws with wsutil", uncompressed, serveGobwas},
		{"gws", "lxzan/gws, ReadLoop, parallel off", all, serveGWS},
		{"gorilla", "gorilla/websocket, NextReader into a buffer used again", []mode{modePlain, modeTLS, modeDeflate, modeBroadcast}, serveGorilla},
		{"coder", "coder/websocket, Reader into a buffer used again", all, serveCoder},
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

// listenTLS wraps ln with a self-signed P-256 certificate made in memory.
func listenTLS(ln net.Listener) (net.Listener, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
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
	if err != nil {
		return nil, err
	}
	return tls.NewListener(ln, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1"},
	}), nil
}
