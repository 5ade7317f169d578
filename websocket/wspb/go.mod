module github.com/wskit/wskit/websocket/wspb

go 1.26.0

require github.com/wskit/wskit v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)

require (
	github.com/gobwas/httphead v0.1.0 // indirect
	google.golang.org/protobuf v1.36.12
)

replace github.com/wskit/wskit => ../..
