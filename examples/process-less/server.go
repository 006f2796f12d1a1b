//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// serve starts a server of HTTP/1.1 and HTTP/2 that greets, and at /ws echoes.
func serve() (addr string, stop func(), err error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "Hello over %s", r.Proto) })
	mux.HandleFunc("/ws", echo)
	srv := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // it ends with stop
	}()
	return ln.Addr().String(), func() { srv.Close(); <-done }, nil
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
			return
		}
	}
}
