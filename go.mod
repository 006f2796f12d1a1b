module github.com/lariat-go/websocket

go 1.26
