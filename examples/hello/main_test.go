package main

import (
	"bytes"
	"testing"

	"github.com/lariat-go/websocket/wstest"
)

func TestHello(t *testing.T) {
	var out bytes.Buffer
	if err := hello(t.Context(), wstest.Server(t, wstest.Echo, nil), &out); err != nil || out.String() != "Hello\n" {
		t.Errorf("printed %q, %v", &out, err)
	}
}
