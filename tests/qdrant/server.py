"""A stand-in of a Qdrant server for the tests: Qdrant's own gRPC stubs, its own translation of requests, and the local
mode of its own client as the engine. What a search means is theirs; here is only the door.

It prints its port, and ends when its input does. What it adds on purpose:

--key WORD      refuses whoever does not show this key
--folder DIR    keeps everything there, so that it can be killed and started again
--port N        listens there instead of anywhere
--version V     says that it is that version
--tls CERT KEY  speaks TLS with that certificate
--busy N        turns the first N writes away, as a server that is overloaded does
--die-at N      kills itself at the Nth write of points, before it is answered; the write is lost

Like a server in strict mode it refuses to choose by fields that have no index; the local mode would not care.
"""

import argparse
import json
import os
import signal
import sys
import threading
import warnings
from concurrent import futures

import grpc
from qdrant_client import grpc as q
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http import models
from qdrant_client.local.qdrant_local import QdrantLocal

warnings.filterwarnings("ignore")

TYPES = {
    q.FieldType.FieldTypeKeyword: (q.PayloadSchemaType.Keyword, models.PayloadSchemaType.KEYWORD),
    q.FieldType.FieldTypeInteger: (q.PayloadSchemaType.Integer, models.PayloadSchemaType.INTEGER),
    q.FieldType.FieldTypeDatetime: (q.PayloadSchemaType.Datetime, models.PayloadSchemaType.DATETIME),
}


class Engine:
    """The local mode, one request at a time, and which fields have an index."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.RLock()
        self.local = QdrantLocal(options.folder or ":memory:", force_disable_check_same_thread=True)
        self.written = 0
        self.busy = options.busy
        self.file = os.path.join(options.folder, "indexes.json") if options.folder else None
        self.indexes = {}
        if self.file and os.path.exists(self.file):
            with open(self.file) as file:
                self.indexes = json.load(file)

    def index(self, collection, field, kind):
        self.indexes.setdefault(collection, {})[field] = int(kind)
        if self.file:
            with open(self.file + ".new", "w") as file:
                json.dump(self.indexes, file)
            os.replace(self.file + ".new", self.file)

    def chosen(self, collection, model):
        """The filter of a request; none of its fields may be without an index."""
        for clause in (model.must, model.should, model.must_not, model.min_should.conditions):
            for condition in clause:
                if condition.HasField("field"):
                    self.indexed(collection, condition.field.key)
                if condition.HasField("filter"):
                    self.chosen(collection, condition.filter)
        return GrpcToRest.convert_filter(model)

    def indexed(self, collection, field):
        if collection in self.local.collections and field not in self.indexes.get(collection, {}):
            raise ValueError(f'Index required but not found for "{field}"')

    def write(self, context):
        """Before anything is written: the faults that a test asked for."""
        if self.busy > 0:
            self.busy -= 1
            code = grpc.StatusCode.RESOURCE_EXHAUSTED if self.busy % 2 else grpc.StatusCode.UNAVAILABLE
            context.abort(code, "busy")
        self.written += 1
        if self.written == self.options.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def door(method):
    """Checks the key, lets one in at a time, and says what is wrong as the server would."""

    def answered(self, request, context):
        options = self.engine.options
        if options.key and dict(context.invocation_metadata()).get("api-key") != options.key:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")
        with self.engine.lock:
            try:
                return method(self, request, context)
            except (ValueError, KeyError) as error:
                text = str(error)
                code = grpc.StatusCode.INVALID_ARGUMENT
                if "Collection" in text and "not found" in text:
                    code = grpc.StatusCode.NOT_FOUND
                elif "already exists" in text:
                    code = grpc.StatusCode.ALREADY_EXISTS
                context.abort(code, text)

    return answered


class Health(q.QdrantServicer):
    def __init__(self, engine):
        self.engine = engine

    def HealthCheck(self, request, context):
        return q.HealthCheckReply(title="a stand-in of Qdrant", version=self.engine.options.version)


class Collections(q.CollectionsServicer):
    def __init__(self, engine):
        self.engine = engine

    @door
    def CollectionExists(self, request, context):
        exists = self.engine.local.collection_exists(request.collection_name)
        return q.CollectionExistsResponse(result=q.CollectionExists(exists=exists))

    @door
    def Create(self, request, context):
        vectors = GrpcToRest.convert_vectors_config(request.vectors_config) if request.HasField("vectors_config") else None
        sparse = None
        if request.HasField("sparse_vectors_config"):
            sparse = GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config)
        made = self.engine.local.create_collection(request.collection_name, vectors, sparse)
        return q.CollectionOperationResponse(result=made)

    @door
    def Get(self, request, context):
        info = RestToGrpc.convert_collection_info(self.engine.local.get_collection(request.collection_name))
        for field, kind in self.engine.indexes.get(request.collection_name, {}).items():
            info.payload_schema[field].data_type = TYPES[kind][0]
        return q.GetCollectionInfoResponse(result=info)

    @door
    def List(self, request, context):
        names = [it.name for it in self.engine.local.get_collections().collections]
        return q.ListCollectionsResponse(collections=[q.CollectionDescription(name=name) for name in names])

    @door
    def Delete(self, request, context):
        self.engine.indexes.pop(request.collection_name, None)
        return q.CollectionOperationResponse(result=self.engine.local.delete_collection(request.collection_name))


class Points(q.PointsServicer):
    def __init__(self, engine):
        self.engine = engine

    def done(self, result):
        return q.PointsOperationResponse(result=RestToGrpc.convert_update_result(result))

    @door
    def CreateFieldIndex(self, request, context):
        kind = TYPES[request.field_type][1]
        result = self.engine.local.create_payload_index(request.collection_name, request.field_name, kind)
        self.engine.index(request.collection_name, request.field_name, request.field_type)
        return self.done(result)

    @door
    def Upsert(self, request, context):
        self.engine.write(context)
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        return self.done(self.engine.local.upsert(request.collection_name, points))

    @door
    def Delete(self, request, context):
        if request.points.HasField("filter"):
            self.engine.chosen(request.collection_name, request.points.filter)
        return self.done(
            self.engine.local.delete(request.collection_name, GrpcToRest.convert_points_selector(request.points))
        )

    @door
    def Get(self, request, context):
        found = self.engine.local.retrieve(
            request.collection_name,
            [GrpcToRest.convert_point_id(id) for id in request.ids],
            **self.shown(request),
        )
        return q.GetResponse(result=[RestToGrpc.convert_record(record) for record in found])

    @door
    def Scroll(self, request, context):
        found, offset = self.engine.local.scroll(
            request.collection_name,
            self.filter(request),
            request.limit if request.HasField("limit") else 10,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            **self.shown(request),
        )
        return q.ScrollResponse(
            result=[RestToGrpc.convert_record(record) for record in found],
            next_page_offset=None if offset is None else RestToGrpc.convert_extended_point_id(offset),
        )

    @door
    def Query(self, request, context):
        return q.QueryResponse(result=self.found(request))

    @door
    def QueryBatch(self, request, context):
        return q.QueryBatchResponse(result=[q.BatchResult(result=self.found(one)) for one in request.query_points])

    def found(self, request):
        self.filter(request)
        asked = GrpcToRest.convert_query_points(request)
        answer = self.engine.local.query_points(
            request.collection_name,
            query=asked.query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            search_params=asked.params,
            limit=10 if asked.limit is None else asked.limit,
            offset=asked.offset or 0,
            with_payload=bool(asked.with_payload) and asked.with_payload,
            with_vectors=bool(asked.with_vector) and asked.with_vector,
            score_threshold=asked.score_threshold,
        )
        return [RestToGrpc.convert_scored_point(point) for point in answer.points]

    @door
    def Count(self, request, context):
        result = self.engine.local.count(request.collection_name, self.filter(request))
        return q.CountResponse(result=RestToGrpc.convert_count_result(result))

    @door
    def Facet(self, request, context):
        self.engine.indexed(request.collection_name, request.key)
        result = self.engine.local.facet(
            request.collection_name,
            request.key,
            self.filter(request),
            request.limit if request.HasField("limit") else 10,
        )
        return q.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(hit) for hit in result.hits])

    def filter(self, request):
        if not request.HasField("filter"):
            return None
        return self.engine.chosen(request.collection_name, request.filter)

    @staticmethod
    def shown(request):
        return {
            "with_payload": request.HasField("with_payload")
            and GrpcToRest.convert_with_payload_interface(request.with_payload),
            "with_vectors": request.HasField("with_vectors")
            and GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key")
    parser.add_argument("--folder")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="1.20.0")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()

    engine = Engine(options)
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    q.add_QdrantServicer_to_server(Health(engine), server)
    q.add_CollectionsServicer_to_server(Collections(engine), server)
    q.add_PointsServicer_to_server(Points(engine), server)
    address = f"127.0.0.1:{options.port}"
    if options.tls:
        cert, key = (open(path, "rb").read() for path in options.tls)
        port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port(address)
    server.start()
    print(port, flush=True)
    # Whoever started it holds the other end: when they are gone, so is this.
    sys.stdin.read()
    server.stop(None)


main()
