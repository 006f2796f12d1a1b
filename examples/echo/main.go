// Echo is a server that sends every message back.
//
//	go run ./examples/echo
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/lariat-go/websocket"
)

func main() {
	addr := "localhost:8080"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	srv := &http.Server{
		Addr:              addr,
		Handler:           http.HandlerFunc(echo),
		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
	}
	fmt.Printf("listening on ws://%s/\n", addr)
	fmt.Fprintln(os.Stderr, srv.ListenAndServe())
	os.Exit(1)
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		fmt.Println("refused:", err)
		return // the client has its answer
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err == nil {
			err = c.Write(r.Context(), m.Type, m.Data)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
}
