namespace Dora.Engines.MongoDb.Wire;

/// <summary>What a server says of itself and its replica set, also to strangers (MongoDB manual, <c>hello</c>).</summary>
/// <param name="SetName">Name of the replica set, or null before it is initiated or while this server is no member.</param>
/// <param name="Me">Its own address in the configuration.</param>
/// <param name="Primary">Address of the primary it knows.</param>
/// <param name="IsWritablePrimary">Whether it takes writes.</param>
/// <param name="Secondary">Whether it follows and can be read.</param>
/// <param name="ArbiterOnly">Whether it only votes.</param>
/// <param name="ElectionId">Of the election that made it primary; a later one compares greater. Hex, or null.</param>
/// <param name="MaxWireVersion">21 is 7.0, 25 is 8.0.</param>
internal sealed record MongoHello(
    string? SetName,
    string? Me,
    string? Primary,
    bool IsWritablePrimary,
    bool Secondary,
    bool ArbiterOnly,
    string? ElectionId,
    int MaxWireVersion)
{
    public static MongoHello Unknown { get; } = new(null, null, null, false, false, false, null, 0);

    public static MongoHello Parse(BsonDocument reply) => new(
        reply.Text("setName"),
        reply.Text("me"),
        reply.Text("primary"),
        reply.Truth("isWritablePrimary") == true,
        reply.Truth("secondary") == true,
        reply.Truth("arbiterOnly") == true,
        reply["electionId"]?.Raw is BsonBinary id ? Convert.ToHexString(id.Bytes.Span) : null,
        (int)Math.Clamp(reply.Integer("maxWireVersion") ?? 0, 0, int.MaxValue));
}
