//go:build linux

package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"

	"github.com/lariat-go/websocket/h2"
)

// streamsAllowed is how many streams each server lets a connection have: the
// default of net/http.
const streamsAllowed = 250

// serveHTTP2 serves h over TLS, in mode h2c without, with net/http's own HTTP/2
// or what configure makes of the server.
func serveHTTP2(ln net.Listener, m mode, h http.Handler, configure func(*http.Server) error) error {
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	if m == modeH2C {
		s.Protocols.SetUnencryptedHTTP2(true)
	} else {
		s.Protocols.SetHTTP2(true)
		der, key, err := selfSigned()
		if err != nil {
			return err
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	}
	if configure != nil {
		if err := configure(s); err != nil {
			return err
		}
	}
	if m == modeH2C {
		return s.Serve(ln)
	}
	return s.ServeTLS(ln, "", "")
}

// configureH2 has package h2 serve HTTP/2.
func configureH2(s *http.Server) error {
	return h2.ConfigureServer(s, &h2.Options{MaxStreams: streamsAllowed})
}

func serveServerH2(ln net.Listener, m mode) error {
	return serveHTTP2(ln, m, serverHandler(m), configureH2)
}

func serveLariatH2(ln net.Listener, m mode) error {
	if m == modeGet {
		return serveHTTP2(ln, m, http.HandlerFunc(get), configureH2)
	}
	return serveHTTP2(ln, m, lariatHandler(m, echoLariat, false), configureH2)
}

// serveNetHTTP2 has this library on net/http's own HTTP/2, which ends a stream
// when its handler returns.
func serveNetHTTP2(ln net.Listener, m mode) error {
	if m == modeGet {
		return serveHTTP2(ln, m, http.HandlerFunc(get), nil)
	}
	return serveHTTP2(ln, m, lariatHandler(m, echoLariat, true), nil)
}

// serveNetHTTP2Raw echoes the bytes of each stream.
func serveNetHTTP2Raw(ln net.Listener, m mode) error {
	return serveHTTP2(ln, m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if rc.EnableFullDuplex() != nil || rc.Flush() != nil {
			return
		}
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				if _, err := w.Write(buf[:n]); err != nil {
					return
				}
				if rc.Flush() != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}), nil)
}

// getBody is what every GET is answered with, as far as it goes.
var getBody = randomPayloads(1, 64<<10)[0]

// get answers a GET of /N with N bytes.
func get(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Path[1:])
	if err != nil || n < 0 || n > len(getBody) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", r.URL.Path[1:])
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(getBody[:n])
}
