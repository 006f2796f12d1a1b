//go:build linux

package main

import (
	"bytes"
	"context"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

func clientGorilla(s clientSpec) (func() error, error) {
	return s.each(func() error {
		c, _, err := gorilla.DefaultDialer.Dial("ws://"+s.addr+"/", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		p := s.payload()
		var buf bytes.Buffer
		for {
			if err := c.WriteMessage(gorilla.BinaryMessage, p); err != nil {
				return err
			}
			_, r, err := c.NextReader()
			if err != nil {
				return err
			}
			buf.Reset()
			if _, err := buf.ReadFrom(r); err != nil {
				return err
			}
			if !s.run.more() {
				return nil
			}
		}
	}), nil
}

func clientCoder(s clientSpec) (func() error, error) {
	return s.each(func() error {
		ctx := context.Background()
		c, _, err := coder.Dial(ctx, "ws://"+s.addr+"/", nil)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		p := s.payload()
		var buf bytes.Buffer
		for {
			if err := c.Write(ctx, coder.MessageBinary, p); err != nil {
				return err
			}
			_, r, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			buf.Reset()
			if _, err := buf.ReadFrom(r); err != nil {
				return err
			}
			if !s.run.more() {
				return nil
			}
		}
	}), nil
}
