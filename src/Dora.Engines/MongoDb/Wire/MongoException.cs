namespace Dora.Engines.MongoDb.Wire;

/// <summary>The server's refusal of a command.</summary>
internal sealed class MongoException(int code, string codeName, string message) : Exception(message)
{
    public const int Unauthorized = 13;
    public const int AuthenticationFailed = 18;
    public const int NamespaceNotFound = 26;
    public const int NamespaceExists = 48;
    public const int NotYetInitialized = 94;
    public const int ConfigurationInProgress = 109;
    public const int CurrentConfigNotCommittedYet = 308;
    public const int NotWritablePrimary = 10107;

    private const int LongestMessage = 512;

    /// <summary>Number of the error (MongoDB manual, "Error Codes").</summary>
    public int Code { get; } = code;

    /// <summary>Its name.</summary>
    public string CodeName { get; } = codeName;

    /// <summary>Throws when an answer is a refusal, or says that a write was not confirmed as asked.</summary>
    public static void ThrowIfRefused(BsonDocument reply)
    {
        if (reply.Number("ok") is not { } ok)
            throw new InvalidDataException("an answer does not say whether it is ok");
        if (ok != 1)
            throw From(reply, "refused");
        if (reply.Document("writeConcernError") is { } unconfirmed)
            throw From(unconfirmed, "not confirmed by the other members");
    }

    private static MongoException From(BsonDocument error, string otherwise)
    {
        var name = error.Text("codeName") ?? "";
        var text = error.Text("errmsg") ?? otherwise;
        if (text.Length > LongestMessage)
            text = text[..LongestMessage] + "…";
        return new((int)Math.Clamp(error.Integer("code") ?? 0, int.MinValue, int.MaxValue), name, name.Length == 0 ? text : $"{name}: {text}");
    }
}
