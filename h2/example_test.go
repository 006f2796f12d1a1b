package h2_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/lariat-go/websocket/h2"
)

// A server of net/http, without TLS here: clients that know that it speaks
// HTTP/2 do so. With ListenAndServeTLS nothing but ConfigureServer is needed.
func ExampleConfigureServer() {
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello by %s", r.Proto)
		}),
		Protocols: new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, &h2.Options{MaxStreams: 250}); err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)

	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: only}
	resp, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(string(body))
	fmt.Println(srv.Shutdown(context.Background()))

	// Output:
	// hello by HTTP/2.0
	// <nil>
}

// A connection that is at hand: the client is known to speak HTTP/2.
func ExampleServeConn() {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	})}
	here, there := net.Pipe()
	served := make(chan error)
	go func() { served <- h2.ServeConn(here, srv, nil) }()

	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols:   only,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return there, nil },
	}
	resp, err := (&http.Client{Transport: transport}).Get("http://pipe")
	if err != nil {
		log.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(string(body))
	transport.CloseIdleConnections()
	fmt.Println(<-served)

	// Output:
	// hello
	// <nil>
}
